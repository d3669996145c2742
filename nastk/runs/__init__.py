"""Run folders: what lies in them, who made them, how their networks rank."""
