"""Sequence tasks drawn at random: nobody wrote a program, or a search, with them in view."""
