"""What tests share: tiny runs, nets, sets and files, made where they are needed."""
