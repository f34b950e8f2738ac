"""The screens of the front desk, one file each, its style sheet beside it."""
