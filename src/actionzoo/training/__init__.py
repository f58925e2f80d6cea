"""From labelled videos to a trained model."""
