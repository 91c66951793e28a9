print("aro-sim")
