"""The engines of the house: one room each, the same furniture in every room."""
