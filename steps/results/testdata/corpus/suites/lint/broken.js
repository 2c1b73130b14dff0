let = (;
