"""Versions that go out safely and come back at once: following a registry, promotions, rollouts, jobs, replays."""
