select pg_catalog.current_setting('data_directory') as data_directory
