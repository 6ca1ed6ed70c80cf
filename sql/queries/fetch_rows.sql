fetch forward {count} from rowbell_rows
