from reeltune.cluster.cli.app import main

if __name__ == "__main__":
    main()
