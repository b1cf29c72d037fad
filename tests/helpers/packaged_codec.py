"""What is known of the codec of the packaged site."""

CODEC_FILE = "codec-csinet.safetensors"
CODEC_LENGTHS = (64, 128, 256, 512)
"""Bits of its codewords."""
