"""How good it is: measures by trec_eval's rules, for all queries, clean queries and cold documents."""
