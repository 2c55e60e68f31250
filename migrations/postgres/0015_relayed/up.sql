-- After a backup was restored, a phone hands in what others had handed in since. Their actors, if the backup does not know
-- them, are bound to the member of staff alone: whose device it was declares the actor when it comes back.
ALTER TABLE actor ADD COLUMN relayed boolean NOT NULL DEFAULT false;
