-- How full is the queue of notifications that some listener has not read yet (0 to 1)?
select pg_notification_queue_usage()
