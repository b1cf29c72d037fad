"""How honest what is published, and what is known, is: figures that anybody can check."""
