-- Rows of the log that change no record: 6 evict, 7 conflict, 8 resolved, 9 grant, 10 revoke, 11 schema. They have decision 0, no
-- body and no predecessor; what they say is in `detail`. A page of the feed and a scan of the state find them by this index alone.
create index changes_ctl on changes (scope, seq) where op > 5;

-- What a device itself still has to look at.
create index conflicts_open_of_client on conflicts (client, id) where state = 0;
