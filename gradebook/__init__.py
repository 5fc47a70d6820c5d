"""Who did what: learners, submissions, verdicts, drafts, progress."""
