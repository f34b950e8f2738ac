"""One room per subject of the hotel, each with the same furniture."""
