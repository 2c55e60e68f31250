-- Forgets who read beyond their areas, and who revealed how much.
DROP TABLE reveal;
DROP TABLE break_glass;
