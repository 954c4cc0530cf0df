"""XGBoost, LightGBM and CatBoost models, natively."""
