"""The network of the estimators `twin-net` and `paths-net`: how it learns in the twin."""
