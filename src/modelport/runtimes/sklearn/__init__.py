"""scikit-learn estimators, from skops archives, pickles and joblib files."""
