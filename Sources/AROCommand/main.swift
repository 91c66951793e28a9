print("aro")
