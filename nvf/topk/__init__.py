"""The discrete step: choosing k of many, and what gradient passes through the choice."""
