"""Small written worlds with labelled questions: what the search is fitted on, and what it is measured on."""
