"""The words of Modelport: tensors, signatures, requests, errors, and the ports. numpy and the standard library only."""
