"""PyTorch: TorchScript, exported programs, weights beside a module, pickled networks, TorchServe archives."""
