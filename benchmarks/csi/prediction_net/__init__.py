"""The network of the predictors `twin-net` and `paths-net`: how it learns in the twin."""
