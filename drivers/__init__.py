"""Bytes and device words, one process per radio; none has heard of a guest."""
