"""The pictures, one file each, behind `hpfunc.plot`. matplotlib is imported only when one is drawn."""
