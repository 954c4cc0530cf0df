"""The registry's pages: models and versions, promotions, rollouts, history, evaluations."""
