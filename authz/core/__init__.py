"""What is true: requests, policies, tokens, decisions.

Everything here is a pure function of its arguments: no await, no clock, no client, no logging.
Time comes in as `now`, seconds since the epoch.
"""
