-- The accent colour of the CRM whose page a session is framed by, such as '2a4fd0'.
alter table sessions add column accent text;
