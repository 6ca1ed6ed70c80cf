-- What is deferred to the commit happens now, so that its effects can be read.
set constraints all immediate
