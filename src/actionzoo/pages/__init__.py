"""What pages of HTML are made of: no script, nothing from a network, everything escaped."""
