"""An independent second opinion on what Fairlead computes.

Everything here is written from the papers, the RFCs and the text at the top of the headers, in the
plainest way that works and with nothing but Python's standard library. It shares no code, table or
constant with the programs it judges; a test that compares the two can therefore find a mistake in
either.
"""
