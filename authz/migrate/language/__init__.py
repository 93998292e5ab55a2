"""Old path patterns as languages: sets of paths, which can be compared whatever their patterns look like.

Pure, and safe against whatever a pattern's author can write: every size is limited, and what is not
understood to the letter raises Undecided. Nothing is guessed.
"""
