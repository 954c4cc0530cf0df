"""TensorFlow SavedModels and Keras files."""
