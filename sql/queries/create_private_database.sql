create database rowbell;
