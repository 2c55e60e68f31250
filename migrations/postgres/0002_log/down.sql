-- Removes the log, and with it everything that was recorded.
DROP TABLE quarantine;
DROP TABLE held;
DROP TABLE feed;
DROP TABLE change;
DROP TABLE snapshot;
DROP TABLE document;
DROP TABLE scope;
DROP TABLE actor;
