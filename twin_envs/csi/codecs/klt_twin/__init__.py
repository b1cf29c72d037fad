"""The transform code `klt`, whose reports a base station reads with its twin."""
