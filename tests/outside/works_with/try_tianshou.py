"""Tianshou: PPO collects from several environments and learns."""
