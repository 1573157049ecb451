"""What measures rankings on labelled queries and chooses the weights. No search imports it."""
