-- From a corrected copy back to the operation whose place it took.
create index dead_letters_by_successor on dead_letters (client, successor) where successor is not null;
