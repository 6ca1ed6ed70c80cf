-- Settings of a connection that answers requests, beyond those every session has.
set statement_timeout = {milliseconds};
