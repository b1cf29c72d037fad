"""Sites on disk and in memory."""
