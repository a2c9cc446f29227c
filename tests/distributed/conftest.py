"""The programs are no tests: test_distributed.py starts them on several ranks."""

collect_ignore = ["on_ranks.py", "that_fail.py"]
