"""Things that live on the same broker under other people's topics."""
