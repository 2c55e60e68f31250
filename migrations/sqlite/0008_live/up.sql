-- What came in lately, by scope: whoever listened to events and was cut off is told again what was received since.
CREATE INDEX change_received ON change (scope, received_at);
