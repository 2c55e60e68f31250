-- Removes the projection; the log, from which it can be rebuilt, stays.
DROP TABLE fact;
DROP TABLE conflict;
DROP TABLE need;
DROP TABLE membership;
DROP TABLE resident;
DROP TABLE household;
