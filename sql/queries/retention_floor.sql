-- What was dropped of the log: a snapshot that sees all of it, and its highest transaction?
select r.base, r.dropped from rowbell.retention r where r.base is not null
