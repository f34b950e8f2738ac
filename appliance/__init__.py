"""The box: one log, the engines that write it, the web that asks them."""
